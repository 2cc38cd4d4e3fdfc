//! Paths as guests see them: absolute, divided by `/`.

/// `path` without doubled and final `/`; `None` when it is relative.
pub(super) fn tidy(path: &str) -> Option<String> {
    path.starts_with('/').then(|| format!("/{}", path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")))
}

/// Whether `path` is absolute and holds no `.` and no `..`.
pub(super) fn is_plain(path: &str) -> bool {
    path.starts_with('/') && !path.contains('\0') && path.split('/').all(|part| !matches!(part, "." | ".."))
}

/// Whether `path` is `folder` or below it. `/data-evil` is not below `/data`.
pub(super) fn is_within(path: &str, folder: &str) -> bool {
    folder == "/" || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
