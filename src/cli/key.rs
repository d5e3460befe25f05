//! `headwater key`

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Context, table};
use crate::domain::ids::KeyId;
use crate::http::auth::{new_key, parse_scopes};
use crate::secret::sha256;
use crate::store::access;

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Make a key; it is shown this once
    Create {
        /// What it is for
        name: String,
        /// What it may do: links:write conversions:write costs:write reports:read endpoints:write metrics:read
        #[arg(long, required = true, num_args = 1.., value_delimiter = ',')]
        scopes: Vec<String>,
    },
    /// List keys
    List,
    /// Take a key back
    Revoke {
        /// The key's id, such as `key_1`
        id: String,
    },
}

pub(super) fn run(context: &Context, command: Key) -> Result<(), CliError> {
    let core = context.open()?;
    match command {
        Key::Create { name, scopes } => {
            let scopes: Vec<&str> =
                parse_scopes(&scopes.join(" "))?.into_iter().map(crate::http::auth::Scope::as_str).collect();
            let (key, hint) = new_key();
            let id = core.db.write_now(|conn| {
                access::create_key(conn, &name, &hint, &sha256(key.as_bytes()), &scopes.join(" "), context.clock.now())
            })?;
            context.print(&json!({ "id": id, "key": key, "scopes": scopes }), || {
                format!("{id} may {}. Keep it safe, it is not shown again:\n{key}", scopes.join(", "))
            });
        }
        Key::List => {
            let keys = core.db.read_now(access::list_keys)?;
            let json: Vec<_> = keys.iter().map(|k| json!({ "id": k.id, "name": k.name, "hint": k.hint, "scopes": k.scopes, "revoked": k.revoked_at.is_some() })).collect();
            context.print(&json!(json), || {
                table(
                    &["Id", "Name", "Begins", "Scopes", "State"],
                    keys.iter().map(|k| {
                        vec![
                            k.id.to_string(),
                            k.name.clone(),
                            format!("{}…", k.hint),
                            k.scopes.clone(),
                            if k.revoked_at.is_some() { "revoked".into() } else { "live".into() },
                        ]
                    }),
                )
            });
        }
        Key::Revoke { id } => {
            let id: KeyId = id.parse()?;
            core.db.write_now(|conn| access::revoke_key(conn, id, context.clock.now()))?;
            context.print(&json!({ "id": id, "revoked": true }), || format!("{id} is revoked"));
        }
    }
    Ok(())
}
