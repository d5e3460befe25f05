//! `headwater user`

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Context};
use crate::config::password_from_environment;
use crate::domain::fault::Fault;
use crate::domain::person::joinable_email;
use crate::http::auth::hash_password;
use crate::store::access;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a person; the password is asked for, or taken from `HEADWATER_PASSWORD`
    Add {
        /// The address to sign in with
        email: String,
    },
    /// Set a new password and end the person's sessions
    Password {
        /// The address to sign in with
        email: String,
    },
    /// List people
    List,
}

pub(super) fn run(context: &Context, command: User) -> Result<(), CliError> {
    let core = context.open()?;
    match command {
        User::Add { email } => {
            let email = address(&email)?;
            let hash = hash_password(&password()?)?;
            let id = core.db.write_now(|conn| access::create_user(conn, &email, &hash, context.clock.now()))?;
            context.print(&json!({ "id": id, "email": email }), || {
                format!("{email} can sign in at {}/app/sign-in", context.config.server.public_url)
            });
        }
        User::Password { email } => {
            let email = address(&email)?;
            let hash = hash_password(&password()?)?;
            core.db.write_now(|conn| access::set_password(conn, &email, &hash))?;
            context.print(&json!({ "email": email }), || format!("{email} has a new password"));
        }
        User::List => {
            let users = core.db.read_now(access::list_users)?;
            context.print(&json!(users), || {
                if users.is_empty() { "nobody yet; `headwater user add`".into() } else { users.join("\n") }
            });
        }
    }
    Ok(())
}

fn address(text: &str) -> Result<String, Fault> {
    joinable_email(text)?
        .ok_or_else(|| Fault::new("email", "email-malformed", "this address names nobody; give a person's"))
}

#[expect(clippy::print_stderr, reason = "asks the person at the terminal")]
fn password() -> Result<String, CliError> {
    if let Some(given) = password_from_environment() {
        return Ok(given);
    }
    if std::io::stdin().is_terminal() {
        eprint!("Password (12 characters or more, shown as you type): ");
        std::io::stderr().flush()?;
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
