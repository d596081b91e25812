//! Values with a grammar of their own: booleans, time spans, sizes.
