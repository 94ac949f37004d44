"""Labels of nuclei that no person drew: from DAPI images of sections that have an H&E image, too.

In: pairs of an H&E and a DAPI image. Out: labelled images for `microtome.nucleus_images`, and
pictures for a person to look at. Section 5.6.5 of the paper on crosswise sparse autoencoders
(Hou et al. 2019).
"""
