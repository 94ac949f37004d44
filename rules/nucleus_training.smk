# Networks that find nuclei: pretrained on slides without labels, then trained on labelled images.
