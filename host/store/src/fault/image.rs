//! A file as a disk has it: what was synced, and what was written since.

/// A change that is not on the disk for certain.
#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(offset, new) => {
                if bytes.len() < offset + new.len() {
                    bytes.resize(offset + new.len(), 0);
                }
                bytes[*offset..offset + new.len()].copy_from_slice(new);
            }
            Self::Truncate(length) => bytes.truncate(*length),
        }
    }

    fn torn(&self, keep: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Write(offset, new) => Self::Write(*offset, new[..keep(new.len())].to_vec()),
            Self::Truncate(length) => Self::Truncate(*length),
        }
    }
}

/// What a crash leaves of the changes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crash {
    /// All of them: the process ended, and the machine did not.
    Process,
    /// None.
    Unsynced,
    /// All but the second half of the last one.
    TornHalf,
    /// All but what is after the first sector of the last one.
    TornSector,
    /// The last one and none before it.
    LastAlone,
    /// Some of them.
    Some(u64),
}

/// A file.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    written: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

impl Image {
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.change(Change::Write(offset, bytes.to_vec()));
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.change(Change::Truncate(length));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.written);
        self.unsynced.push(change);
    }

    /// Everything is on the disk that was written since the last sync.
    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    /// A sync failed: the system takes what was written for clean, and no later sync brings it to the disk.
    pub(super) fn lose(&mut self) {
        self.unsynced.clear();
    }

    /// What is there after a crash.
    pub(super) fn after(&self, crash: Crash) -> Vec<u8> {
        if crash == Crash::Process {
            return self.written.clone();
        }
        let mut bytes = self.synced.clone();
        let Some((last, before)) = self.unsynced.split_last() else { return bytes };
        let some = |seed: u64, index: usize| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(index as u32 * 7) & 1 == 0;
        for (index, change) in before.iter().enumerate() {
            match crash {
                Crash::Some(seed) if !some(seed, index) => {}
                Crash::Unsynced | Crash::LastAlone => {}
                _ => change.apply(&mut bytes),
            }
        }
        match crash {
            Crash::Unsynced | Crash::Process => {}
            Crash::TornHalf => last.torn(|length| length / 2).apply(&mut bytes),
            Crash::TornSector => last.torn(|length| length.min(512)).apply(&mut bytes),
            Crash::LastAlone => last.apply(&mut bytes),
            Crash::Some(seed) => {
                if some(seed, before.len()) {
                    last.apply(&mut bytes);
                }
            }
        }
        bytes
    }
}
