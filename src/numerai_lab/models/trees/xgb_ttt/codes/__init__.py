"""How an era is read: the same functions at the fit, at prediction and in a bundle."""
