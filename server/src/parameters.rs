//! The parameters of an address: each once, and none that nobody would look at. What is passed over in silence is a slip of
//! the pen that shows another answer than was meant.

use crate::error::Error;
use crate::fields::nearest_of;
use trainer::spec::SpecError;

/// The pairs of an address.
pub(crate) type Pairs = Vec<(String, String)>;

/// The values of `names`, in their order.
///
/// # Errors
/// A name that is none of these, or one that comes twice.
pub(crate) fn read<const N: usize>(pairs: Pairs, names: [&str; N]) -> Result<[Option<String>; N], Error> {
    known(&pairs, &names)?;
    let mut values = [const { None }; N];
    for (name, value) in pairs {
        let place = names.iter().position(|known| *known == name).map(|at| &mut values[at]);
        if place.is_some_and(|place| place.replace(value).is_some()) {
            return Err(Error::BadRequest(format!("{name}: there twice, and one value is taken: name it once")));
        }
    }
    Ok(values)
}

/// Refuses any name but `names`.
///
/// # Errors
/// Says which it was, and what is known.
pub(crate) fn known(pairs: &Pairs, names: &[&str]) -> Result<(), Error> {
    let unknown = pairs.iter().find(|(name, _)| !names.contains(&&**name));
    unknown.map_or(Ok(()), |(name, value)| Err(refused(name, value, names, None)))
}

/// The refusal of a name; `meant` says what it may have been, unless it is near to one of `names`.
pub(crate) fn refused(name: &str, value: &str, names: &[&str], meant: Option<String>) -> Error {
    let meant = meant.or_else(|| nearest_of(name, names.iter().copied()).map(String::from));
    let meant = meant.map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default();
    SpecError::new(name, value.into(), format!("one of {}{meant}", names.join(", "))).into()
}

/// A flag: `true`, or `false` where nothing is said.
///
/// # Errors
/// It is neither.
pub(crate) fn flag(name: &str, value: Option<&str>) -> Result<bool, Error> {
    match value {
        None | Some("" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(SpecError::new(name, other.into(), "true or false").into()),
    }
}
