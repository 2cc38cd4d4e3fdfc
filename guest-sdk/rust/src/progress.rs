/// Tells the caller how far the tool is: a fraction between 0 and 1 where it is known, and what is being done.
///
/// A hint: it may be dropped.
pub fn progress(fraction: impl Into<Option<f64>>, message: impl AsRef<str>) {
    crate::host::progress(fraction.into(), message.as_ref());
}
