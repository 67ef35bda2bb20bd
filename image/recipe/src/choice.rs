//! Values out of a fixed set.

use std::fmt;

/// A value out of a fixed set, written as one word.
pub(crate) trait Choice: Copy + Sized + 'static {
    /// What it is, with its article.
    const NOUN: &'static str;
    /// Every value with its word.
    const ALL: &'static [(&'static str, Self)];

    /// The value of a word.
    fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
    }
}

/// A word that is not in the set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not {noun}; expected {}", one_of(.words))]
pub struct UnknownWord {
    word: String,
    noun: &'static str,
    words: Vec<&'static str>,
}

impl UnknownWord {
    fn new<T: Choice>(word: &str) -> Self {
        Self { word: word.to_owned(), noun: T::NOUN, words: T::ALL.iter().map(|(name, _)| *name).collect() }
    }

    pub(crate) fn check<T: Choice>(word: &str) -> Result<T, Self> {
        T::of(word).ok_or_else(|| Self::new::<T>(word))
    }
}

/// "`a`, `b` or `c`".
pub(crate) fn one_of<T: fmt::Display>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [rest @ .., last] => {
            let rest: Vec<String> = rest.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", rest.join(", "))
        }
    }
}

/// An enum whose values are words: `as_str`, `Display`, `FromStr` and `Serialize` all use the same ones.
macro_rules! choice {
    ($(#[doc = $about:literal])+ pub enum $name:ident is $noun:literal { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)+ }

        impl $name {
            /// The word for it in a recipe.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl $crate::choice::Choice for $name {
            const NOUN: &'static str = $noun;
            const ALL: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::choice::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                $crate::choice::UnknownWord::check(word)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
pub(crate) use choice;
