//! Where a page comes from, which is what browsers and CORS go by.

use std::fmt;

use hasses_client::web::Url;

/// Where a page comes from, written as browsers send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin(String);

impl Origin {
    /// Reads an origin.
    ///
    /// # Errors
    /// Why browsers would not send it so.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // A page that was opened from a file, or sits in a sandboxed frame.
        if text == "null" {
            return Ok(Self(text.to_owned()));
        }
        let origin = Self::of(&Url::parse(text)?);
        if origin.0 != text {
            return Err(format!("browsers send no origin {text:?}; they would send {:?}", origin.0));
        }
        Ok(origin)
    }

    /// That of pages that come from there.
    pub(crate) fn of(url: &Url) -> Self {
        Self(url.origin())
    }

    /// One that no page has.
    pub(crate) fn stranger() -> Self {
        Self("https://stranger.invalid".to_owned())
    }

    /// As it stands in the `Origin` header.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_those_that_browsers_send() {
        for text in ["https://app.example.com", "http://127.0.0.1:8080", "http://[::1]", "null"] {
            assert_eq!(Origin::parse(text).unwrap().as_str(), text);
        }
        for text in ["https://app.example.com/", "https://app.example.com:443", "https://App.example.com", "app"] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }
}
