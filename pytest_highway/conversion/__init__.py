"""Files of the package highway-dsl, written anew in our language."""
