"""Other methods that learn *when* from labels of whole videos: one file each, from its paper.

A method's name is its file's, with a hyphen for an underscore; `book/extend.md` shows how to add
one. The file gives `System`, a backbone. In training, a system of several losses returns them
stacked, `(B, branches, C)`, for its own `loss` to take apart.
"""
