"""Small models that no rule was meta-trained on, and how learned and hand-made optimizers fare on them."""
