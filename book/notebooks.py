"""What all notebooks of the book share: the kernel that they name, and their prose as one text."""

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def prose(cells):
    """The text of a notebook's Markdown cells, a blank line between two of them."""
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
