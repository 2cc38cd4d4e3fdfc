//! What somebody probably meant.

/// The one of `known` that is nearest to `typed`, when it is near enough to be a slip: at most a third of its letters, and two of short ones, differ.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const TYPED_MAX_BYTES: usize = 64;
    if typed.len() > TYPED_MAX_BYTES {
        return None;
    }
    let typed: Vec<char> = typed.to_lowercase().chars().collect();
    known
        .into_iter()
        .filter(|known| known.len() <= TYPED_MAX_BYTES)
        .map(|known| (distance(&typed, &known.chars().collect::<Vec<_>>()), known))
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(2) && *distance < known.len())
        .min()
        .map(|(_, known)| known)
}

/// Edits (insert, delete, replace, swap of neighbours) from one to the other: the optimal string alignment distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}
