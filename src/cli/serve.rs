//! `headwater serve`

use super::{CliError, Context};
use crate::app::{self, Started};

pub(super) fn run(context: Context) -> Result<(), CliError> {
    let core = context.open()?;
    app::serve(core, context.clock.clone(), welcome)?;
    Ok(())
}

/// Tells where to go and how to sign in.
#[expect(clippy::print_stdout, reason = "the first thing that a new operator reads")]
fn welcome(started: &Started) {
    let state = &started.state;
    // With port 0 the system chose one, which the configured address cannot know.
    let url = if state.config.server.bind.ends_with(":0") {
        format!("http://{}", started.address)
    } else {
        state.config.server.public_url.clone()
    };
    println!("Headwater {} listens on http://{}", env!("CARGO_PKG_VERSION"), started.address);
    match state.open_set_up() {
        Some(token) => {
            println!("Create the first administrator (this link works once):\n  {url}/app/set-up?token={token}")
        }
        None => println!("Sign in: {url}/app/sign-in"),
    }
    println!("API: {url}/app/api (description), make a key with `headwater key create`");
    println!("Data: {}. Stop with Ctrl-C.", state.config.data.dir.display());
}
