# Models that find nuclei, judged by the labelled images of nuclei.images.
