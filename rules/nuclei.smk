rule nuclei:
    """Find the nuclei of slides and of labelled images by all models of nuclei.run."""
    input:
        planned(NUCLEI.require),
        planned(NUCLEI.results),
