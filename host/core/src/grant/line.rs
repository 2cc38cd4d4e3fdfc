//! The grammar of grants in one line: `remit grant PLUGIN CAPABILITY SCOPE`, `--grant`, and the fixes of denials.
