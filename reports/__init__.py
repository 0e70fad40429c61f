"""Reports: a domain's figures and tables of one moment, as a page that is complete in itself."""
