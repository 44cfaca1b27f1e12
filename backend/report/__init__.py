"""Reports: the results of checks and scans as one HTML file that needs nothing else.

It writes what it is given. It decodes no image, fetches nothing, and knows no HTTP.
"""
