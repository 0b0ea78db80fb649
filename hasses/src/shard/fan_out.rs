//! An event to everybody whom it reaches.
//!
//! Two ways, and which one is a matter of what else waits. With more events behind it an event goes into the outboxes, so that
//! each subscriber gets all of them in one write. An event that is alone is written at once while the subscriber's state is at
//! hand: going over ten thousand subscribers twice costs a tenth more, in cache misses.

use crate::batch::Event;
use crate::connection::Connection;
use crate::outbox::{Full, Pool};
use crate::shard::{FEW, SLICE, Shard, flush_counted};
use crate::wheel::Millis;

/// Writes that an event which is alone makes in a row. The rest go to the outboxes, so that requests get through: some ten
/// milliseconds of work.
const MOST_DIRECT: u32 = 16 * 1024;
/// So many writes, then a look at whether it is still alone.
const LOOK: u32 = 64;

/// Whether other events wait behind this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    /// It is the only one.
    Alone,
    /// There are more to be sent with it.
    Others,
}

impl Shard {
    /// How many subscribers an event will reach, where that can be told without going over them.
    pub(super) fn reach(&self, event: &Event) -> Option<u64> {
        let topic = event.topics.single().filter(|_| event.except.is_none())?;
        self.index.members_of_only(topic).map(|members| members as u64)
    }

    /// Sends an event to everybody whom it reaches, or puts it into their outboxes; gives how many they are.
    pub(super) fn fan_out(&mut self, event: &Event, company: Company) -> u64 {
        let stamp = self.next_stamp();
        let limit = self.settings.limits.outbox;
        let mut direct = match company {
            Company::Others => 0,
            Company::Alone if self.touched.is_empty() && self.hurried.is_empty() => MOST_DIRECT,
            // Whoever is to be written to already would wait for all of it.
            Company::Alone => LOOK,
        };
        let mut matched = 0;
        let mut slow = Vec::new();
        let waiting = self.touched.len();
        let Self { index, connections, pool, touched, now, delivered, messages, .. } = self;
        for pattern in event.topics.iter() {
            index.matching(pattern, |slot| {
                let connection = &mut connections[slot as usize];
                if connection.stamp == stamp {
                    return;
                }
                connection.stamp = stamp;
                if event.except.is_some() && event.except == connection.id {
                    return;
                }
                matched += 1;
                if direct > 0 && connection.takes_directly() {
                    direct = if direct % LOOK == 0 && !messages.is_empty() { 0 } else { direct - 1 };
                    let (bytes, range) = event.rendered.as_framed(connection.framing);
                    let whole = range.len();
                    if let Ok(written) = connection.write_now(&bytes[range]) {
                        if written == whole {
                            connection.delivered += 1;
                            connection.written = *now;
                            *delivered += 1;
                        } else {
                            connection.keep_rest(&event.rendered, written, pool, *now);
                        }
                        if (written < whole || connection.wants_write())
                            && !std::mem::replace(&mut connection.touched, true)
                        {
                            touched.push_back(slot);
                        }
                        return;
                    }
                }
                if connection.behind.is_some() {
                    // The log gives it to this one when its turn comes.
                    return;
                }
                let (queued, written) = queue(connection, event, limit, pool, *now);
                *delivered += written;
                match queued {
                    // Whose socket is full is written to when there is room again, which is told.
                    Ok(()) if !connection.blocked && !std::mem::replace(&mut connection.touched, true) => {
                        touched.push_back(slot);
                    }
                    Ok(()) => {}
                    Err(Full) => slow.push(slot),
                }
            });
        }
        self.position = event.id;
        self.hurry(waiting);
        for slot in slow {
            self.fall_behind(slot, event);
        }
        matched
    }

    /// Those who were added behind `waiting` others come before them, where that is a long wait and they are few.
    fn hurry(&mut self, waiting: usize) {
        if waiting > SLICE && self.touched.len() - waiting <= FEW {
            self.hurried.extend(self.touched.drain(waiting..));
        }
    }

    /// A stamp that no connection has. After four billion events the numbers begin again, and those left over would each cost
    /// somebody an event.
    fn next_stamp(&mut self) -> u32 {
        if self.stamp == u32::MAX {
            self.connections.iter_mut().for_each(|(_, connection)| connection.stamp = 0);
            self.stamp = 0;
        }
        self.stamp += 1;
        self.stamp
    }
}

/// Puts an event into an outbox; gives how many events went out to make room, which also those do that made too little. A full
/// outbox is written once: it may be full only because this turn has not written yet.
fn queue(
    connection: &mut Connection,
    event: &Event,
    limit: usize,
    pool: &mut Pool,
    now: Millis,
) -> (Result<(), Full>, u64) {
    let framing = connection.framing;
    if connection.outbox.push(&event.rendered, framing, limit, pool).is_ok() {
        return (Ok(()), 0);
    }
    let (_, written) = flush_counted(connection, pool, now);
    (connection.outbox.push(&event.rendered, framing, limit, pool), written)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use hasses_client::wire::{EventId, Publish, TopicPattern};
    use rustix::net::sockopt::set_socket_send_buffer_size;

    use super::*;
    use crate::arrival::Newcomer;
    use crate::connection::Peer;
    use crate::sse::Rendered;

    fn event(text: &str) -> Event {
        let publish = Publish::new(TopicPattern::new("t").unwrap(), text);
        let rendered = Rendered::event(EventId::default(), &publish, &mut Vec::new());
        Event::new(EventId::default(), publish, rendered)
    }

    #[test]
    fn what_went_out_counts_also_where_it_made_too_little_room() {
        const LIMIT: usize = 1 << 20;
        let (ours, _theirs) = UnixStream::pair().unwrap();
        set_socket_send_buffer_size(&ours, 16 * 1024).unwrap();
        let mut connection = Connection::new(Newcomer { socket: ours.into(), peer: Peer::Unix, tls: None }, 1, 1, 0);
        let mut pool = Pool::new(usize::MAX);
        let small = event(&"x".repeat(1000));
        for _ in 0..200 {
            assert_eq!(queue(&mut connection, &small, LIMIT, &mut pool, 0), (Ok(()), 0));
        }
        let (queued, written) = queue(&mut connection, &event(&"x".repeat(LIMIT)), LIMIT, &mut pool, 0);
        assert_eq!((queued, written), (Err(Full), connection.delivered));
        assert!(written > 0 && !connection.outbox.is_empty(), "{written} of 200 went out");
    }
}
