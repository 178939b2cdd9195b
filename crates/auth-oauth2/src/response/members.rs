use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Deserializer as Json, value::RawValue};

use super::rules::{Member, ReplyRules};

/// The members that are read, as JSON texts. `null` counts as missing.
#[derive(Default)]
pub(super) struct Members<'a> {
    pub(super) token: Option<&'a RawValue>,
    pub(super) token_type: Option<&'a RawValue>,
    pub(super) lifetime: Option<&'a RawValue>,
    pub(super) vendor_lifetime: Option<&'a RawValue>,
    /// The name of a member that may be a lifetime and that no rule reads.
    pub(super) unread_lifetime: Option<String>,
    pub(super) refresh_in: Option<&'a RawValue>,
    pub(super) scope: Option<&'a RawValue>,
    pub(super) refresh_token: Option<&'a RawValue>,
    pub(super) code: Option<&'a RawValue>,
    pub(super) vendor_code: Option<&'a RawValue>,
    pub(super) description: Option<&'a RawValue>,
    pub(super) vendor_description: Option<&'a RawValue>,
}

impl<'a> Members<'a> {
    /// Reads the members that the rules know. The text must be one whole JSON object.
    pub(super) fn of_whole(rules: &ReplyRules, text: &'a str) -> Result<Self, serde_json::Error> {
        let mut members = Self::default();
        let mut json = Json::from_str(text);
        members.read(rules, Twice::Error, &mut json)?;
        json.end()?;
        // `null` was kept until here, so that a second member of the same name is noticed.
        for member in ALL {
            if let Some(place) = members.place(member) {
                *place = place.filter(|value| value.get() != "null");
            }
        }
        Ok(members)
    }

    /// Reads the members before the first fault of a text that is cut or broken.
    pub(super) fn of_beginning(rules: &ReplyRules, text: &'a str) -> Self {
        let mut members = Self::default();
        // The error only says where the text breaks.
        let _ = members.read(rules, Twice::Last, &mut Json::from_str(text));
        members
    }

    fn read<D: Deserializer<'a>>(
        &mut self,
        rules: &ReplyRules,
        twice: Twice,
        json: D,
    ) -> Result<(), D::Error> {
        let top = Level {
            rules,
            twice,
            members: self,
            is_top: true,
        };
        top.deserialize(json)
    }

    fn place(&mut self, member: Member) -> Option<&mut Option<&'a RawValue>> {
        Some(match member {
            Member::Token => &mut self.token,
            Member::TokenType => &mut self.token_type,
            Member::Lifetime => &mut self.lifetime,
            Member::VendorLifetime => &mut self.vendor_lifetime,
            Member::UnreadLifetime => return None,
            Member::RefreshIn => &mut self.refresh_in,
            Member::Scope => &mut self.scope,
            Member::RefreshToken => &mut self.refresh_token,
            Member::Code => &mut self.code,
            Member::VendorCode => &mut self.vendor_code,
            Member::Description => &mut self.description,
            Member::VendorDescription => &mut self.vendor_description,
        })
    }
}

/// What happens if two members have the same name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Twice {
    /// An error: one of the two may be another sender's.
    Error,
    /// The last one counts.
    Last,
}

const ALL: [Member; 11] = [
    Member::Token,
    Member::TokenType,
    Member::Lifetime,
    Member::VendorLifetime,
    Member::RefreshIn,
    Member::Scope,
    Member::RefreshToken,
    Member::Code,
    Member::VendorCode,
    Member::Description,
    Member::VendorDescription,
];

/// One object: the reply, or an object in it that wraps the members.
struct Level<'m, 'r, 'de> {
    rules: &'r ReplyRules,
    twice: Twice,
    members: &'m mut Members<'de>,
    is_top: bool,
}

impl<'de> DeserializeSeed<'de> for Level<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Level<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (rules, twice) = (self.rules, self.twice);
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value::<&RawValue>()?;
            if self.is_top && rules.is_wrapper(&name) && value.get().starts_with('{') {
                let inner = Level {
                    rules,
                    twice,
                    members: &mut *self.members,
                    is_top: false,
                };
                let read = inner.deserialize(&mut Json::from_str(value.get()));
                if twice == Twice::Error {
                    read.map_err(A::Error::custom)?;
                }
                continue;
            }
            let Some(member) = rules.member(&name) else {
                continue;
            };
            let Some(place) = self.members.place(member) else {
                if is_number_or_text(value) {
                    self.members.unread_lifetime = Some(name);
                }
                continue;
            };
            if place.replace(value).is_some() && twice == Twice::Error {
                return Err(A::Error::custom("a member that occurs twice"));
            }
        }
        Ok(())
    }
}

/// Reads a string that is not empty.
pub(super) fn string(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get())
        .ok()
        .filter(|text: &String| !text.is_empty())
}

/// Reads a vendor's own code: a string that is not empty, or a number.
pub(super) fn code(json: &RawValue) -> Option<String> {
    let is_number = || {
        json.get()
            .starts_with(|char: char| char == '-' || char.is_ascii_digit())
    };
    string(json).or_else(|| is_number().then(|| json.get().to_owned()))
}

fn is_number_or_text(value: &RawValue) -> bool {
    let fits = |char: char| char == '"' || char == '-' || char.is_ascii_digit();
    value.get().starts_with(fits) && value.get() != "\"\""
}
