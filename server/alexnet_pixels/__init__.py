"""Image bytes in, uint8 pixels out: the one definition that training, export and serving share."""
