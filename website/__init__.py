"""The documentation as a site: `make docs` builds it from docs/ into site/, with everything that a page loads inside.

scripts   fetches the two scripts that the theme would load from elsewhere
hooks     what MkDocs does besides: pages from the root of the repository, links out of docs/, those scripts
loads     what a built page would load from another host
site.css  wide tables
"""
