//! What every backend has to do, sentence by sentence of the traits. A case gets stores that were opened over the same data, as by
//! different processes, and uses nothing but the traits.

mod append;
mod branch;
mod called;
mod claim;
mod content;
mod create;
mod ending;
mod input;
mod kv;
mod list;
mod many;
mod reading;
pub(crate) mod sample;
mod turn;
mod wait;

/// Makes a test of each case, for the backend that `$open` opens over what `$place` makes.
macro_rules! conformance {
    ($place:expr, $open:expr; one: $($one:path as $one_name:ident),+ $(,)?; two: $($two:path as $two_name:ident),+ $(,)?) => {
        $(#[test]
        fn $one_name() {
            let place = $place;
            $one(&$open(&place));
        })+
        $(#[test]
        fn $two_name() {
            let place = $place;
            $two(&$open(&place), &$open(&place));
        })+
    };
}

pub(crate) use sample::*;

mod sqlite {
    use super::*;
    use crate::Sqlite;

    fn open(place: &tempfile::TempDir) -> Sqlite {
        Sqlite::open(&place.path().join("state")).expect("a store")
    }

    conformance! {
        tempfile::tempdir().expect("a folder"), open;
        one:
        create::makes_what_was_asked_for as create_makes_what_was_asked_for,
        create::gives_the_same_session_for_the_same_key as create_gives_the_same_session_for_the_same_key,
        create::keeps_keys_of_principals_and_projects_apart as create_keeps_keys_of_principals_and_projects_apart,
        create::refuses_a_key_of_another_agent as create_refuses_a_key_of_another_agent,
        create::refuses_an_id_that_is_taken as create_refuses_an_id_that_is_taken,
        claim::counts_epochs as claim_counts_epochs,
        claim::refuses_a_second_one_in_the_same_store as claim_refuses_a_second_one_in_the_same_store,
        claim::needs_a_session as claim_needs_a_session,
        claim::release_of_an_older_claim_changes_nothing as claim_release_of_an_older_claim_changes_nothing,
        append::adds_records_in_order as append_adds_records_in_order,
        append::refuses_an_epoch_that_is_not_the_newest as append_refuses_an_epoch_that_is_not_the_newest,
        append::refuses_records_that_do_not_follow_on as append_refuses_records_that_do_not_follow_on,
        append::leaves_nothing_when_refused as append_leaves_nothing_when_refused,
        append::without_records_changes_how_it_stands as append_without_records_changes_how_it_stands,
        append::needs_a_session as append_needs_a_session,
        reading::gives_what_was_asked_for as reading_gives_what_was_asked_for,
        reading::gives_what_ended_as_what_goes_on as reading_gives_what_ended_as_what_goes_on,
        reading::gives_back_every_text as reading_gives_back_every_text,
        turn::is_counted_and_placed as turn_is_counted_and_placed,
        turn::is_found_by_its_key as turn_is_found_by_its_key,
        turn::is_started_once_for_a_key as turn_is_started_once_for_a_key,
        turn::does_not_start_within_another_one as turn_does_not_start_within_another_one,
        turn::that_does_not_run_cannot_end as turn_that_does_not_run_cannot_end,
        turn::changes_the_state_when_it_ends as turn_changes_the_state_when_it_ends,
        input::waits_in_order_until_its_turn_starts as input_waits_in_order_until_its_turn_starts,
        input::waits_once_under_its_key as input_waits_once_under_its_key,
        input::stays_when_the_start_of_its_turn_is_refused as input_stays_when_the_start_of_its_turn_is_refused,
        input::is_bounded as input_is_bounded,
        input::is_dropped_with_its_session as input_is_dropped_with_its_session,
        input::of_a_turn_that_ended_well_tells_whose_the_state_is as input_of_a_turn_that_ended_well_tells_whose_the_state_is,
        branch::an_import_makes_a_session_that_goes_on as an_import_makes_a_session_that_goes_on,
        branch::an_import_is_refused_where_something_is as an_import_is_refused_where_something_is,
        branch::a_revert_begins_a_branch as a_revert_begins_a_branch,
        branch::a_revert_is_its_owners as a_revert_is_its_owners,
        wait::is_opened_with_its_record as wait_is_opened_with_its_record,
        wait::is_decided_once as wait_is_decided_once,
        wait::takes_only_an_answer_of_its_kind as wait_takes_only_an_answer_of_its_kind,
        wait::is_not_decided_after_its_time as wait_is_not_decided_after_its_time,
        wait::is_used_once as wait_is_used_once,
        wait::that_is_undecided_is_used_only_if_it_ends_by_itself as wait_that_is_undecided_is_used_only_if_it_ends_by_itself,
        wait::of_another_session_is_not_used as wait_of_another_session_is_not_used,
        wait::is_cancelled_with_its_turn as wait_is_cancelled_with_its_turn,
        wait::approvals_that_are_open_are_counted as wait_approvals_that_are_open_are_counted,
        wait::is_listed_where_it_belongs as wait_is_listed_where_it_belongs,
        called::sessions_are_listed_by_their_caller as called_sessions_are_listed_by_their_caller,
        called::sessions_of_one_turn_are_bounded as called_sessions_of_one_turn_are_bounded,
        called::a_kill_ends_what_is_in_a_turn_below as called_a_kill_ends_what_is_in_a_turn_below,
        called::the_end_of_a_turn_ends_what_it_called as called_the_end_of_a_turn_ends_what_it_called,
        called::sessions_are_erased_with_their_caller_and_not_before as called_sessions_are_erased_with_their_caller_and_not_before,
        list::is_newest_first_in_pages as list_is_newest_first_in_pages,
        list::filters as list_filters,
        ending::a_kill_refuses_the_owners_next_append as ending_a_kill_refuses_the_owners_next_append,
        ending::a_kill_cancels_waits as ending_a_kill_cancels_waits,
        ending::a_second_kill_changes_nothing as ending_a_second_kill_changes_nothing,
        ending::erasing_a_principal_removes_all_that_is_theirs as ending_erasing_a_principal_removes_all_that_is_theirs,
        ending::pruning_removes_what_is_named_and_not_run as ending_pruning_removes_what_is_named_and_not_run,
        ending::erasing_leaves_nothing as ending_erasing_leaves_nothing,
        ending::erasing_is_refused_while_it_is_owned as ending_erasing_is_refused_while_it_is_owned,
        content::is_kept_in_pieces as content_is_kept_in_pieces,
        content::of_another_session_is_not_there as content_of_another_session_is_not_there,
        content::is_committed_with_its_records as content_is_committed_with_its_records,
        content::goes_back_and_along_with_its_session as content_goes_back_and_along_with_its_session,
        content::goes_with_the_principal as content_goes_with_the_principal,
        many::sessions_at_once_are_all_kept_in_order as many_sessions_at_once_are_all_kept_in_order,
        many::a_refusal_among_others_leaves_nothing as many_a_refusal_among_others_leaves_nothing,
        kv::keeps_values as kv_keeps_values,
        kv::keeps_spaces_apart as kv_keeps_spaces_apart,
        kv::is_bounded as kv_is_bounded,
        kv::increments as kv_increments,
        kv::increments_atomically as kv_increments_atomically,
        kv::lists_keys_in_pages as kv_lists_keys_in_pages;
        two:
        claim::of_a_living_owner_is_refused as claim_of_a_living_owner_is_refused,
        claim::after_a_release_takes_nothing_over as claim_after_a_release_takes_nothing_over,
        reading::sees_what_another_one_wrote as reading_sees_what_another_one_wrote,
        reading::the_version_changes_with_every_change as reading_the_version_changes_with_every_change,
        many::stores_at_once_wait_for_each_other as many_stores_at_once_wait_for_each_other,
    }

    #[test]
    fn claim_of_an_owner_that_ended_is_taken_over() {
        let place = tempfile::tempdir().expect("a folder");
        claim::of_an_owner_that_ended_is_taken_over(Box::new(open(&place)), &open(&place));
    }
}
