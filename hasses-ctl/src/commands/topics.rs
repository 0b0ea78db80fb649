//! `topics`: what is subscribed to as a table, page after page until there are no more.

use hasses_client::blocking::Client;
use hasses_client::wire::Reply;
use hasses_client::{TopicInfo, TopicList, TopicsQuery};

use super::pages::{self, Page};
use crate::arguments::Topics;
use crate::failure::Failure;
use crate::output::{End, Output};
use crate::quantity::count;
use crate::table::{Column, Table};

/// Lists the topics.
pub(crate) fn run(arguments: &Topics, client: &Client, out: &mut Output) -> Result<(), End> {
    let list = all(arguments, client)?;
    if out.is_json() {
        return out.answer(&Reply::Topics(list), String::new);
    }
    let mut table = Table::new([Column::Right("SUBSCRIBERS"), Column::Left("TOPIC")]);
    for topic in list.topics {
        table.push([count(topic.subscribers), topic.topic]);
    }
    for line in table.render(out.colour()) {
        out.text(&line)?;
    }
    if list.more { out.text("(there are more)\n") } else { Ok(()) }
}

fn all(arguments: &Topics, client: &Client) -> Result<TopicList, Failure> {
    let page = pages::collect(arguments.limit, |rows, last: Option<&TopicInfo>| {
        let after = last.map(|topic| topic.topic.clone());
        let page = client.topics(TopicsQuery { prefix: arguments.prefix.clone(), limit: Some(rows), after })?;
        Ok(Page { rows: page.topics, more: page.more })
    })?;
    Ok(TopicList { topics: page.rows, more: page.more })
}
