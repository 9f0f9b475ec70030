//! Putting a few findings in order.

/// Sorts so that nothing stands before what is worse; the order of equals stays. For a few items: the code of the standard library's
/// sort is an eighth of a small component, this is a few instructions.
pub fn worst_first<T>(items: &mut [T], is_worse: impl Fn(&T, &T) -> bool) {
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && is_worse(&items[at], &items[at - 1]) {
            items.swap(at, at - 1);
            at -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_ones_come_first_and_equal_ones_stay() {
        let mut items = [(1, 'a'), (3, 'b'), (1, 'c'), (2, 'd'), (3, 'e')];
        worst_first(&mut items, |a, b| a.0 > b.0);
        assert_eq!(items, [(3, 'b'), (3, 'e'), (2, 'd'), (1, 'a'), (1, 'c')]);
        worst_first::<u8>(&mut [], |a, b| a > b);
    }
}
