//! The page that asks for a token.

use crate::auth::Access;
use askama::Template;

/// The page that asks for a token.
#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage<'a> {
    /// What it is about.
    pub heading: &'static str,
    /// What the visitor may do now, in a sentence.
    pub told: &'static str,
    /// Whether the form is there.
    pub asks: bool,
    /// Whether there is something to log out of.
    pub inside: bool,
    /// Whether the token just given was a wrong one.
    pub refused: bool,
    /// Where to go afterwards: an address of ours.
    pub next: &'a str,
    /// Version of the program.
    pub version: &'static str,
}

impl LoginPage<'_> {
    /// For a visitor who has `access` now (`None` where no token is asked for) and wants to go to `next`.
    pub fn new(access: Option<Access>, next: &str, refused: bool) -> LoginPage<'_> {
        let (heading, told) = match access {
            None => ("No token needed", "This server asks for no token: everything is open to you."),
            Some(Access::Nothing) => (
                "Log in",
                "This server asks for a token. It was given to, or printed by, the program when it was started.",
            ),
            Some(Access::Look) => (
                "You may look",
                "Your token lets you see every run. To start, stop or edit runs, log in with the other token.",
            ),
            Some(Access::Change) => ("You are logged in", "Your token lets you see and change everything."),
        };
        LoginPage {
            heading,
            told,
            asks: matches!(access, Some(Access::Nothing | Access::Look)),
            inside: matches!(access, Some(Access::Look | Access::Change)),
            refused,
            next,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
