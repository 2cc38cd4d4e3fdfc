//! The grammar of grants in files.
