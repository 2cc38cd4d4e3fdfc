//! The smallest compile worker: what a host application's own binary does when it is started as `<binary> __compile`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("__compile") => remit_runtime::engine::compile_worker_main(std::io::stdin().lock(), std::io::stdout().lock()),
        Some("__isolate") => remit_runtime::isolation_worker_main(),
        _ => {
            eprintln!("a host starts this with `__compile` and an order on stdin");
            ExitCode::from(2)
        }
    }
}
