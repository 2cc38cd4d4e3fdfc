//! Text of others, made safe to show.

/// `text` with every character that a terminal or a reader could be fooled by (controls, ANSI, bidirectional marks, zero-width,
/// tags) written as `\u{…}`, and cut after `max_chars` with `…`.
pub fn visible(text: &str, max_chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_chars));
    for (count, c) in text.chars().enumerate() {
        if count == max_chars {
            out.push('…');
            break;
        }
        if is_hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Like [`visible`], but keeps line breaks and tabs: for descriptions and output of more than one line.
pub fn visible_lines(text: &str, max_chars: usize) -> String {
    let mut left = max_chars;
    let mut out = String::new();
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for (tab, part) in line.trim_end_matches('\r').split('\t').enumerate() {
            if tab > 0 {
                out.push('\t');
            }
            out.push_str(&visible(part, left));
            left = left.saturating_sub(part.chars().count());
        }
        if left == 0 {
            break;
        }
    }
    out
}

/// JSON in one line as it may be shown: hidden characters, which stand in its strings alone, are written as JSON escapes them, so that
/// it means the same.
pub fn visible_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether `c` shows nothing, or changes how its neighbours are shown.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
