use super::*;
use crate::audit::Signer;

/// A log in memory: rows and checkpoints as a store keeps them.
#[derive(Clone)]
struct Log {
    rows: Vec<(i64, Vec<u8>, Vec<u8>)>,
    checkpoints: Vec<(i64, String)>,
    epoch: EpochId,
    tree: Tree,
}

fn epoch(number: u128) -> EpochId {
    EpochId::new(Timestamp(1_780_000_000_000), number)
}

fn signer() -> Signer {
    Signer::from_seed(&[7; 32]).unwrap()
}

impl Log {
    fn new() -> Self {
        let mut log = Self { rows: Vec::new(), checkpoints: Vec::new(), epoch: epoch(1), tree: Tree::default() };
        log.begin(epoch(1));
        log
    }

    /// Ten records, with checkpoints at 4, 7 and 10.
    fn of_ten() -> Self {
        let mut log = Self::new();
        for number in 2..=10 {
            log.add(&format!(r#""type":"call","tool":"t{number}""#));
            if [4, 7, 10].contains(&number) {
                log.sign();
            }
        }
        log
    }

    fn begin(&mut self, epoch: EpochId) {
        self.epoch = epoch;
        self.add(&format!(r#""type":"epoch","epoch":"{epoch}""#));
    }

    fn add(&mut self, rest: &str) {
        let seq = self.tree.size() + 1;
        let record = format!(r#"{{"seq":{seq},"at":{},{rest}}}"#, seq * 1000).into_bytes();
        self.tree.push(leaf_hash(&record));
        self.rows.push((seq as i64, leaf_hash(&record).to_vec(), record));
    }

    fn sign(&mut self) {
        self.checkpoints.push((self.tree.size() as i64, self.exported()));
    }

    fn exported(&self) -> String {
        signer().sign(&Checkpoint::new(self.epoch, &self.tree))
    }

    fn verify(&self, given: Option<&str>) -> Result<Report, Fault> {
        self.verify_with(&[signer().public_key().clone()], given)
    }

    fn verify_with(&self, keys: &[PublicKey], given: Option<&str>) -> Result<Report, Fault> {
        let given: Option<SignedCheckpoint> = given.map(|text| text.parse().unwrap());
        let mut verifier = Verifier::new(keys, given.as_ref());
        let mut rows = self.rows.clone();
        rows.sort_by_key(|row| row.0);
        let mut checkpoints = self.checkpoints.iter().peekable();
        for (seq, leaf, record) in &rows {
            verifier.row(*seq, leaf, record)?;
            while let Some((size, note)) = checkpoints.next_if(|one| one.0 <= *seq) {
                verifier.checkpoint(*size, note)?;
            }
        }
        if let Some((size, note)) = checkpoints.last() {
            verifier.checkpoint(*size, note)?;
        }
        verifier.end(Some(&Checkpoint::new(self.epoch, &self.tree)))
    }

    /// Exchanges a record, and the hash that is kept of it.
    fn forge(&mut self, index: usize) {
        let row = &mut self.rows[index];
        row.2 = String::from_utf8(row.2.clone()).unwrap().replace("\"t", "\"x").into_bytes();
        row.1 = leaf_hash(&row.2).to_vec();
    }

    /// What whoever can write the file, and has no key, makes fit.
    fn make_fit(&mut self) {
        self.tree = Tree::default();
        self.rows.iter().for_each(|row| self.tree.push(leaf_hash(&row.2)));
    }
}

fn fault(result: Result<Report, Fault>) -> (FaultKind, Option<u64>, Option<u64>) {
    let fault = result.expect_err("a fault");
    (fault.kind, fault.first, fault.last)
}

#[test]
fn a_log_that_is_whole_tells_what_it_has() {
    let log = Log::of_ten();
    let report = log.verify(Some(&log.exported())).unwrap();
    assert_eq!((report.records, report.signed), (10, 10));
    assert_eq!(report.times, Some((Timestamp(1000), Timestamp(10_000))));
    assert_eq!(report.epochs, [Epoch { epoch: epoch(1), first: 1, at: Timestamp(1000) }]);
    assert_eq!(report.keys, [signer().public_key().to_string()]);
    assert_eq!(Verifier::new(&[], None).end(None), Ok(Report::default()), "and so does one that has nothing");
}

#[test]
fn l1_each_record_that_was_edited_is_named() {
    for index in 0..10 {
        let mut log = Log::of_ten();
        let last = log.rows[index].2.len() - 3;
        log.rows[index].2[last] ^= 1;
        let seq = Some(index as u64 + 1);
        assert_eq!(fault(log.verify(None)), (FaultKind::Edited, seq, seq));
    }
}

#[test]
fn l1_an_edit_that_was_made_to_fit_is_named_as_narrowly_as_checkpoints_stand() {
    for (index, first, last) in [(1, 1, 4), (5, 5, 7), (9, 8, 10)] {
        let mut log = Log::of_ten();
        log.forge(index);
        log.make_fit();
        assert_eq!(fault(log.verify(None)), (FaultKind::Edited, Some(first), Some(last)));
    }
    let mut log = Log::of_ten();
    log.add(r#""type":"call","tool":"t11""#);
    log.forge(10);
    assert_eq!(fault(log.verify(None)), (FaultKind::Edited, Some(11), Some(11)), "what is not signed yet is held by what the log keeps");
}

#[test]
fn l1_each_record_that_was_removed_is_named() {
    for index in 0..9 {
        let mut log = Log::of_ten();
        log.rows.remove(index);
        let seq = Some(index as u64 + 1);
        assert_eq!(fault(log.verify(None)), (FaultKind::Removed, seq, seq));
        for row in &mut log.rows[index..] {
            row.0 -= 1;
        }
        assert_eq!(fault(log.verify(None)), (FaultKind::Moved, seq, seq), "and when the others closed up");
    }
}

#[test]
fn l1_records_that_changed_places_are_named() {
    let mut log = Log::of_ten();
    (log.rows[3].0, log.rows[6].0) = (log.rows[6].0, log.rows[3].0);
    assert_eq!(fault(log.verify(None)), (FaultKind::Moved, Some(4), Some(4)));
}

#[test]
fn l1_a_record_that_was_added_is_named() {
    let mut log = Log::of_ten();
    let record = br#"{"seq":11,"at":11000,"type":"call","tool":"forged"}"#.to_vec();
    log.rows.push((11, leaf_hash(&record).to_vec(), record.clone()));
    assert_eq!(fault(log.verify(None)), (FaultKind::Added, Some(11), Some(11)));

    let mut log = Log::of_ten();
    log.rows[4..].iter_mut().for_each(|row| row.0 += 1);
    let record = String::from_utf8(record).unwrap().replace("11", "5").into_bytes();
    log.rows.push((5, leaf_hash(&record).to_vec(), record.clone()));
    assert_eq!(fault(log.verify(None)), (FaultKind::Moved, Some(6), Some(6)), "record 5 stands twice");

    let mut log = Log::of_ten();
    log.rows.push((0, leaf_hash(&record).to_vec(), record));
    assert_eq!(fault(log.verify(None)).0, FaultKind::Added);
}

#[test]
fn l2_an_end_that_was_cut_off_is_noticed_by_what_the_log_keeps() {
    let whole = Log::of_ten();
    let mut log = whole.clone();
    log.rows.truncate(8);
    assert_eq!(fault(log.verify(None)), (FaultKind::CutOff, Some(9), Some(10)));
    log.make_fit();
    assert_eq!(fault(log.verify(None)), (FaultKind::CutOff, Some(9), Some(10)), "by a checkpoint");
}

#[test]
fn l2_before_anything_was_signed_what_the_log_keeps_of_its_end_tells_that_it_was_cut_off() {
    let mut log = Log::new();
    (2..=5).for_each(|number| log.add(&format!(r#""type":"call","tool":"t{number}""#)));
    assert!(log.verify(None).is_ok());
    let ended = |rows: usize, head: Option<&Checkpoint>| {
        let mut verifier = Verifier::new(&[], None);
        log.rows[..rows].iter().for_each(|(seq, leaf, record)| verifier.row(*seq, leaf, record).unwrap());
        fault(verifier.end(head))
    };
    assert_eq!(ended(3, Some(&Checkpoint::new(log.epoch, &log.tree))), (FaultKind::CutOff, Some(4), Some(5)));
    assert_eq!(ended(5, None), (FaultKind::CutOff, None, None), "and so does that nothing is kept of it");
}

#[test]
fn l2_an_end_that_was_cut_off_without_a_trace_is_shown_by_a_checkpoint_from_elsewhere() {
    let whole = Log::of_ten();
    let mut log = whole.clone();
    log.rows.truncate(8);
    log.checkpoints.truncate(2);
    log.make_fit();
    assert!(log.verify(None).is_ok(), "by itself it is a log of eight records");
    assert_eq!(fault(log.verify(Some(&whole.exported()))), (FaultKind::CutOff, Some(9), Some(10)));
    for number in 0..5 {
        log.add(&format!(r#""type":"call","tool":"other{number}""#));
    }
    log.sign();
    assert!(log.verify(None).is_ok());
    assert_eq!(fault(log.verify(Some(&whole.exported()))), (FaultKind::OtherLog, Some(1), Some(10)), "an older copy that went on");
    let mut nothing = Log::new();
    nothing.rows.clear();
    let keys = [signer().public_key().clone()];
    let given: SignedCheckpoint = whole.exported().parse().unwrap();
    assert_eq!(Verifier::new(&keys, Some(&given)).end(None).unwrap_err().kind, FaultKind::CutOff, "an empty one");
}

#[test]
fn l2_a_log_that_was_restored_is_told_from_one_that_was_cut_off() {
    let whole = Log::of_ten();
    let before = whole.exported();
    let mut log = whole.clone();
    log.rows.truncate(7);
    log.checkpoints.truncate(2);
    log.make_fit();
    let at_seven = log.exported();
    log.begin(epoch(2));
    log.add(r#""type":"call","tool":"after""#);
    log.sign();
    let result = log.verify(Some(&before));
    let message = result.clone().unwrap_err().message;
    assert_eq!(message, "the log was restored from a backup at 1970-01-01T00:00:08.000Z: records 8 to 10 of it are not here");
    assert_eq!(fault(result), (FaultKind::Restored, Some(8), Some(10)));
    assert!(log.verify(Some(&at_seven)).is_ok(), "what the backup has is here");
    assert!(log.verify(Some(&log.exported())).is_ok());
    let report = log.verify(None).unwrap();
    assert_eq!(report.epochs.iter().map(|epoch| epoch.first).collect::<Vec<_>>(), [1, 8]);
    log.rows[2].2[20] ^= 1;
    assert_eq!(fault(log.verify(Some(&before))), (FaultKind::Edited, Some(3), Some(3)), "and an edit is still named");
}

#[test]
fn a_checkpoint_is_believed_only_with_a_known_key_and_for_its_own_log() {
    let log = Log::of_ten();
    let other = Signer::from_seed(&[8; 32]).unwrap();
    let keys = [other.public_key().clone()];
    assert_eq!(fault(log.verify_with(&keys, None)).0, FaultKind::UnknownKey);
    let both = [signer().public_key().clone(), keys[0].clone()];
    assert!(log.verify_with(&both, None).is_ok());
    let forged = other.sign(&Checkpoint::new(log.epoch, &log.tree));
    assert_eq!(fault(log.verify(Some(&forged))).0, FaultKind::UnknownKey);
    let elsewhere = signer().sign(&Checkpoint::new(epoch(9), &log.tree));
    assert_eq!(fault(log.verify(Some(&elsewhere))).0, FaultKind::OtherLog);

    let mut edited = log.clone();
    edited.checkpoints[1].1 = log.checkpoints[0].1.clone();
    assert_eq!(fault(edited.verify(None)).0, FaultKind::Checkpoint);
    edited.checkpoints[1].1 = elsewhere;
    assert_eq!(fault(edited.verify(None)).0, FaultKind::Checkpoint);
}
