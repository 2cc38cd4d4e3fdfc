//! The exports of a component: `remit:tool/tools` over the table that `plugin!` makes, beside it `remit:tool/reconcile` where the plugin
//! can tell, or `remit:agent/handler` over an agent, beside it `remit:agent/migrate` where it can bring old state to its own form.

use crate::agent::{self, Agent, Migrate};
use crate::agent_bindings::exports::remit::agent::handler;
use crate::bindings::exports::remit::tool::tools::{Definition, Failure, Guest, Json, Output};
use crate::fate::{Fate, Reconcile};
use crate::host::{to_guest_definition, to_guest_failure, to_guest_output};
use crate::migrator_bindings::exports::remit::agent::migrate;
use crate::reconciler_bindings::exports::remit::tool::reconcile;
use crate::tool::{Plugin, dispatch};

impl<P: Plugin> Guest for P {
    fn list() -> Vec<Definition> {
        P::TOOLS.iter().map(|tool| to_guest_definition((tool.definition)())).collect()
    }

    fn call(name: String, arguments: Json) -> Result<Output, Failure> {
        dispatch::<P>(&name, &arguments).map(to_guest_output).map_err(to_guest_failure)
    }
}

impl<R: Reconcile> reconcile::Guest for R {
    fn settle(name: String, key: String) -> Result<reconcile::Fate, Failure> {
        match R::settle(&name, &key) {
            Ok(Fate::Done(output)) => Ok(reconcile::Fate::Done(to_guest_output(output))),
            Ok(Fate::NotDone) => Ok(reconcile::Fate::NotDone),
            Ok(Fate::Unknown) => Ok(reconcile::Fate::Unknown),
            Err(error) => Err(to_guest_failure(error)),
        }
    }
}

impl<A: Agent> handler::Guest for A {
    fn describe() -> Definition {
        to_guest_definition(A::definition())
    }

    fn turn(input: Json) -> Result<Json, String> {
        agent::turn::<A>(&input).map_err(|error| error.message().to_owned())
    }
}

impl<M: Migrate> migrate::Guest for M {
    fn migrate_state(from: String) -> Result<(), String> {
        M::migrate(&from).map_err(|error| error.message().to_owned())
    }
}

/// Exports a plugin; `plugin!` calls it.
#[doc(hidden)]
#[macro_export]
macro_rules! __remit_export {
    ($plugin:ident) => {
        $crate::bindings::__export_guest!($plugin with_types_in $crate::bindings);
    };
}

/// Exports what a plugin tells of its effects; `plugin!` calls it.
#[doc(hidden)]
#[macro_export]
macro_rules! __remit_export_reconcile {
    ($plugin:ident) => {
        $crate::reconciler_bindings::__export_reconciler!($plugin with_types_in $crate::reconciler_bindings);
    };
}

/// Exports an agent; `#[agent]` calls it.
#[doc(hidden)]
#[macro_export]
macro_rules! __remit_export_agent {
    ($agent:ident) => {
        $crate::agent_bindings::__export_agent!($agent with_types_in $crate::agent_bindings);
    };
}

/// Exports how an agent brings its state to its own form; `#[agent]` calls it.
#[doc(hidden)]
#[macro_export]
macro_rules! __remit_export_migrate {
    ($agent:ident) => {
        $crate::migrator_bindings::__export_migrator!($agent with_types_in $crate::migrator_bindings);
    };
}
