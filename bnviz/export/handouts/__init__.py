"""A run or a lab as one HTML page that needs no server and no network, and a lab's report as HTML and PDF."""
