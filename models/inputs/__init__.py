"""Raw inputs as bytes and numbers -> the arrays that models take; no torch here."""
