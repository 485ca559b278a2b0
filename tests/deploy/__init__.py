"""What is in deploy/, and the image: other people's tools accept it, it agrees with the product, and it runs."""
