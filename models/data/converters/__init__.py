"""From the files of an official place to the layout of the data folder: one kind of source a file."""
