//! Reports built from constructed snapshots and findings: their text against reviewed files, their JSON against the schema.
//!
//! `KERNO_BLESS=1 cargo test --test report` writes the text files anew; read the difference before you commit it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

#[path = "report/cases.rs"]
mod cases;
#[path = "report/changes.rs"]
mod changes;
#[path = "report/check.rs"]
mod check;
#[path = "report/golden.rs"]
mod golden;
#[path = "report/outlook.rs"]
mod outlook;
#[path = "report/schema.rs"]
mod schema;
