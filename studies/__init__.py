"""Experiments about fernas. They import the package; the package never imports them."""
