//! Tests of the whole program: the real server on a free port, tiny real networks, generated digits, no network.
//!
//! Nothing here sleeps: a test waits for the events of the live stream.

mod support;

mod artifacts;
mod auth;
mod browser;
mod cli;
mod conditional;
mod crash;
mod fuzz;
mod geometry;
mod guards;
mod hostile;
mod images;
mod limits;
mod live;
mod many;
mod operations;
mod pages;
mod readme;
mod rest;
mod restart;
mod resume;
mod sweeps;
mod table;
mod trash;
