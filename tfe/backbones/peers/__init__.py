"""Methods to compare with, one file each: `System`, a backbone that learns *when* by other means.

A method's name is its file's, with a hyphen for an underscore; `book/extend.md` shows how to add one.
"""
