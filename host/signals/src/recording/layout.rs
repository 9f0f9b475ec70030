//! A number for how values of a type are laid out: its fields, their order and types, so that a change cannot go unnoticed.

use serde::de::value::{Error as ValueError, U32Deserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// Reads a value of the type that holds one of everything, writes down what it was asked for, and hashes that.
pub(super) fn of<T: DeserializeOwned>() -> u32 {
    crc32fast::hash(described::<T>().as_bytes())
}

/// The same, not hashed.
pub(super) fn described<T: DeserializeOwned>() -> String {
    let mut out = String::new();
    T::deserialize(Asked(&mut out)).unwrap();
    out
}

/// The value that it read: lists have one element, options are there.
pub(super) fn one_of_everything<T: DeserializeOwned>() -> T {
    T::deserialize(Asked(&mut String::new())).unwrap()
}

struct Asked<'a>(&'a mut String);

/// So many elements, each asked for what it is.
struct Elements<'a> {
    out: &'a mut String,
    left: usize,
}

macro_rules! plain {
    ($($method:ident => $visit:ident($value:expr)),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            self.0.push_str(stringify!($visit));
            self.0.push(';');
            visitor.$visit($value)
        }
    )*};
}

impl<'a, 'de> Deserializer<'de> for Asked<'a> {
    type Error = ValueError;

    plain! {
        deserialize_bool => visit_bool(false),
        deserialize_u8 => visit_u8(0),
        deserialize_u16 => visit_u16(0),
        deserialize_u32 => visit_u32(0),
        deserialize_u64 => visit_u64(0),
        deserialize_i8 => visit_i8(0),
        deserialize_i16 => visit_i16(0),
        deserialize_i32 => visit_i32(0),
        deserialize_i64 => visit_i64(0),
        deserialize_f64 => visit_f64(0.0),
        deserialize_str => visit_str(""),
        deserialize_string => visit_str(""),
        deserialize_bytes => visit_bytes(&[]),
        deserialize_byte_buf => visit_bytes(&[]),
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ValueError> {
        Err(ValueError::custom("a value without a type"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.0.push_str("option ");
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, ValueError> {
        self.0.push_str(name);
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.0.push_str("list ");
        visitor.visit_seq(Elements { out: self.0, left: 1 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.0.push_str(&format!("tuple of {len} "));
        visitor.visit_seq(Elements { out: self.0, left: len })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.0.push_str("map ");
        visitor.visit_map(Elements { out: self.0, left: 1 })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.0.push_str(&format!("{name} {{ {} }}: ", fields.join(" ")));
        visitor.visit_seq(Elements { out: self.0, left: fields.len() })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.0.push_str(&format!("{name} ( {} );", variants.join(" ")));
        visitor.visit_enum(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! { i128 u128 f32 char unit unit_struct tuple_struct identifier ignored_any }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ValueError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Asked(self.out)).map(Some)
    }
}

impl<'de> MapAccess<'de> for Elements<'_> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ValueError> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ValueError> {
        seed.deserialize(Asked(self.out))
    }
}

/// The first variant; what others hold must be seen elsewhere.
impl<'a, 'de> EnumAccess<'de> for Asked<'a> {
    type Error = ValueError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ValueError> {
        Ok((seed.deserialize(U32Deserializer::new(0))?, self))
    }
}

impl<'de> VariantAccess<'de> for Asked<'_> {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ValueError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_struct("", fields, visitor)
    }
}
