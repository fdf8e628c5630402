//! Connections and live streams, counted for all and for each address.

use super::{CONNECTIONS_OF_ONE, Client, STREAMS_OF_ONE, unpoison};
use crate::error::Error;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

/// How many live streams are open, and whose.
#[derive(Debug)]
pub struct Streams {
    most: usize,
    /// Locked for a look.
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    /// Opened since the start.
    ever: u64,
    shares: Shares,
}

/// How many of something each address has.
#[derive(Debug, Default)]
struct Shares(HashMap<IpAddr, usize>);

impl Shares {
    /// One more of `client`, who may have `most`; this machine may have any number, since a proxy speaks for many.
    ///
    /// # Errors
    /// It has as many as it may: how many.
    fn enter(&mut self, client: IpAddr, most: usize) -> Result<(), usize> {
        let own = self.0.entry(Shares::of(client)).or_default();
        if *own >= most && !client.to_canonical().is_loopback() {
            return Err(*own);
        }
        *own += 1;
        Ok(())
    }

    fn leave(&mut self, client: IpAddr) {
        let client = Shares::of(client);
        if let Some(own) = self.0.get_mut(&client) {
            *own -= 1;
            if *own == 0 {
                self.0.remove(&client);
            }
        }
    }

    /// Whose share it is: an IPv6 host has all addresses of its network, a /64, to choose from.
    fn of(client: IpAddr) -> IpAddr {
        match client {
            IpAddr::V6(address) if !address.is_loopback() => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            other => other,
        }
    }
}

/// Whose connections are open.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// Locked for a look.
    shares: Mutex<Shares>,
}

impl Connections {
    /// Counts a connection of `client` until it is dropped; `None` where the client has its share.
    pub(crate) fn enter(self: &Arc<Self>, Client(client): Client) -> Option<Connection> {
        unpoison(&self.shares).enter(client, CONNECTIONS_OF_ONE).ok()?;
        Some(Connection { connections: self.clone(), client })
    }
}

/// A connection among those of its client.
#[derive(Debug)]
pub(crate) struct Connection {
    connections: Arc<Connections>,
    client: IpAddr,
}

impl Drop for Connection {
    fn drop(&mut self) {
        unpoison(&self.connections.shares).leave(self.client);
    }
}

impl Streams {
    /// None yet, of at most `most`.
    pub fn new(most: usize) -> Arc<Streams> {
        Arc::new(Streams { most, open: Mutex::default() })
    }

    /// A place for one stream of `client`, given back when dropped.
    ///
    /// # Errors
    /// 503 where the server has no place left, 429 where the client has its share.
    pub(crate) fn enter(self: &Arc<Self>, Client(client): Client) -> Result<Place, Error> {
        let mut open = unpoison(&self.open);
        if open.total >= self.most {
            let detail = format!(
                "{} live streams are open, which is as many as this server takes: close some, or start it with a larger --watchers",
                open.total
            );
            return Err(Error::Unavailable(detail));
        }
        open.shares.enter(client, STREAMS_OF_ONE).map_err(|own| {
            let detail =
                format!("your address has {own} live streams open, which is as many as one may have: close some");
            Error::TooMany { detail, retry_s: 5 }
        })?;
        open.total += 1;
        open.ever += 1;
        Ok(Place { streams: self.clone(), client })
    }

    /// How many there may be.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Streams open now, and opened since the start.
    pub fn count(&self) -> (usize, u64) {
        let open = unpoison(&self.open);
        (open.total, open.ever)
    }
}

/// A live stream's place among the others.
#[derive(Debug)]
pub(crate) struct Place {
    streams: Arc<Streams>,
    client: IpAddr,
}

impl Place {
    /// How many streams there are, this one among them.
    pub(crate) fn streams(&self) -> usize {
        self.streams.count().0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = unpoison(&self.streams.open);
        open.total -= 1;
        open.shares.leave(self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn streams_are_counted_for_all_and_for_each() {
        let streams = Streams::new(STREAMS_OF_ONE + 2);
        let (near, far) = (Client(Ipv4Addr::LOCALHOST.into()), Client("192.0.2.1".parse().unwrap()));
        let mut places = (0..STREAMS_OF_ONE).map(|_| streams.enter(far).unwrap()).collect::<Vec<_>>();
        assert!(matches!(streams.enter(far), Err(Error::TooMany { .. })));
        places.push(streams.enter(near).unwrap());
        places.push(streams.enter(near).unwrap());
        assert!(matches!(streams.enter(near), Err(Error::Unavailable(_))));
        drop(places);
        assert_eq!(streams.count(), (0, STREAMS_OF_ONE as u64 + 2));
        assert!(unpoison(&streams.open).shares.0.is_empty(), "nothing is kept of who left");
        assert!(streams.enter(far).is_ok());
    }

    #[test]
    fn no_address_but_this_machine_takes_all_connections() {
        let connections = Arc::new(Connections::default());
        let [near, far, other, beside] =
            ["127.0.0.1", "192.0.2.1", "2001:db8::1", "2001:db8::2"].map(|ip| Client(ip.parse().unwrap()));
        let mut held = (0..CONNECTIONS_OF_ONE).map(|_| connections.enter(far).unwrap()).collect::<Vec<_>>();
        assert!(connections.enter(far).is_none());
        held.push(connections.enter(other).unwrap());
        held.extend((1..CONNECTIONS_OF_ONE).map(|_| connections.enter(beside).unwrap()));
        assert!(connections.enter(other).is_none(), "neighbours share");
        held.extend((0..=CONNECTIONS_OF_ONE).map(|_| connections.enter(near).unwrap()));
        held.remove(0);
        assert!(connections.enter(far).is_some(), "one was let go of");
        drop(held);
        assert!(unpoison(&connections.shares).0.is_empty(), "nothing is kept of who left");
    }
}
