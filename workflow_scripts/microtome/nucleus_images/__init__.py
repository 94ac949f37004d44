"""Images with labelled nuclei, for training and testing networks that find them.

In: a sheet of images with points, instance labels or attributes of their nuclei; folders of public
data sets. Out: pixels, points and labels of each image at a spacing; sheets of such folders.
Sections 5.1 and 5.6.5 of the paper on crosswise sparse autoencoders (Hou et al. 2019).
"""
