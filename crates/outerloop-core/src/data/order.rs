//! The order in which examples are cut into splits, and whether it is one that can be.

use super::image_set::{Examples, ImageSet};
use super::split::Split;
use crate::error::{Error, Result};
use crate::rng::{Key, Purpose};

/// How likely a set in random order may be refused, for a part of it. Files sorted by class are beyond it by far.
const MISTAKEN: f64 = 1e-4;

/// In which order examples are cut into splits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExampleOrder {
    /// If given, examples outside an official test part are put into the random order of this seed before they are split.
    pub shuffle_seed: Option<u64>,
    /// Whether splits may have classes that train lacks, and the file may be sorted by class.
    pub allow_unseen_classes: bool,
}

impl ExampleOrder {
    /// Where the example of every place stands in the file; `None` if nothing moves.
    /// # Errors
    /// `DataInvalid` if there are more examples than have numbers.
    pub(super) fn permutation(
        self,
        name: &str,
        num_examples: usize,
        num_official_test: Option<usize>,
    ) -> Result<Option<Vec<u32>>> {
        let Some(seed) = self.shuffle_seed else { return Ok(None) };
        if u32::try_from(num_examples).is_err() {
            return Err(Error::data(format!(
                "{name}: expected fewer than 2^32 examples, got {num_examples}"
            )));
        }
        let num_mixed = num_examples.saturating_sub(num_official_test.unwrap_or(0));
        let mut order = Key::new(seed, Purpose::TaskContent).permutation(num_mixed);
        order.extend(num_mixed as u32..num_examples as u32);
        Ok(Some(order))
    }

    /// The set of `examples`, which stand in this order, with notes on classes that train lacks.
    /// # Errors
    /// What [`ImageSet::new`] refuses; `DataInvalid` if examples are in an order in which chance does not put them, so that
    /// splits cut by it have other classes than train.
    pub(super) fn assemble(
        self,
        name: &str,
        examples: Examples,
        num_classes: usize,
        num_official_test: Option<usize>,
    ) -> Result<ImageSet> {
        let set = ImageSet::new(name, examples, num_classes, num_official_test)?;
        if self.allow_unseen_classes {
            return Ok(set);
        }
        let counts = Counts::of(&set, num_official_test.is_some());
        if self.shuffle_seed.is_none()
            && let Some(problem) = counts.sorted()
        {
            return Err(Error::data(format!(
                "{name}: expected examples in random order, since splits are cut by it, got {problem}: \
                 `shuffleSeed` mixes a file that is sorted by class, `allowUnseenClasses` takes it as it is"
            )));
        }
        if let Some(problem) = counts.foreign_test() {
            return Err(Error::data(format!(
                "{name}: expected a test part of the classes that train has, got {problem}: \
                 `allowUnseenClasses` takes it as it is"
            )));
        }
        let notes = counts.rare().map(|problem| format!("{name}: splits have {problem}."));
        Ok(set.with_notes(notes.into_iter().collect()))
    }
}

/// Examples of every class in the parts of a set.
struct Counts {
    train: Vec<u64>,
    /// In the splits that are cut from the same file as train.
    held_out: Vec<u64>,
    /// In an official test part.
    test: Vec<u64>,
}

impl Counts {
    fn of(set: &ImageSet, has_official_test: bool) -> Self {
        let zeros = || vec![0; set.num_classes()];
        let mut counts = Self { train: zeros(), held_out: zeros(), test: zeros() };
        for split in Split::ALL {
            let part = match split {
                Split::Train => &mut counts.train,
                Split::Test if has_official_test => &mut counts.test,
                _ => &mut counts.held_out,
            };
            for &label in &set.labels()[set.range(split)] {
                part[usize::from(label)] += 1;
            }
        }
        counts
    }

    /// Of classes of which `part` has nothing, the one of which `other` has most, if chance does not leave them all out.
    ///
    /// Chance leaves out k of m classes, with n examples or more, at most C(m, k) pⁿ times, p being the share of `other`; over
    /// all k this is a mistake at most [`MISTAKEN`] times.
    fn absent(part: &[u64], other: &[u64]) -> Option<(usize, u64)> {
        let (here, there) = (part.iter().sum::<u64>() as f64, other.iter().sum::<u64>() as f64);
        let ln_share = libm::log(there / (here + there));
        let num_present = part.iter().zip(other).filter(|(a, b)| **a + **b > 0).count() as f64;
        let pairs = part.iter().zip(other).enumerate();
        let mut absent: Vec<(usize, u64)> =
            pairs.filter(|(_, (a, b))| **a == 0 && **b > 0).map(|(class, (_, n))| (class, *n)).collect();
        absent.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
        let mut total = 0.0;
        let is_no_chance = absent.iter().zip(1..).any(|(&(_, n), k)| {
            total += n as f64;
            let k = f64::from(k);
            let ln_choices =
                libm::lgamma(num_present + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(num_present - k + 1.0);
            ln_choices + total * ln_share + libm::log(k * (k + 1.0)) < libm::log(MISTAKEN)
        });
        if is_no_chance { absent.first().copied() } else { None }
    }

    /// What shows that the file is sorted by class.
    fn sorted(&self) -> Option<String> {
        let unseen = Self::absent(&self.train, &self.held_out);
        let unseen = unseen.map(|(class, n)| format!("class {class} {n} times elsewhere and never in train"));
        let unchecked = || {
            let (class, n) = Self::absent(&self.held_out, &self.train)?;
            Some(format!("class {class} {n} times in train and never in the other splits"))
        };
        unseen.or_else(unchecked)
    }

    /// What shows that an official test part is of other classes.
    fn foreign_test(&self) -> Option<String> {
        let elsewhere: Vec<u64> = self.train.iter().zip(&self.held_out).map(|(a, b)| a + b).collect();
        let (class, n) = Self::absent(&elsewhere, &self.test)?;
        Some(format!("class {class} {n} times there and never in train"))
    }

    /// Classes that train lacks.
    fn rare(&self) -> Option<String> {
        let elsewhere = self.held_out.iter().zip(&self.test).map(|(a, b)| a + b);
        let unseen = self.train.iter().zip(elsewhere).enumerate().filter(|(_, (a, b))| **a == 0 && *b > 0);
        let classes: Vec<String> = unseen.map(|(class, _)| class.to_string()).collect();
        let more = classes.len().saturating_sub(SHOWN);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        let shown = classes[..classes.len() - more].join(", ");
        (!classes.is_empty()).then(|| format!("examples of classes that train lacks: {shown}{rest}"))
    }
}

/// Most classes that a note names.
const SHOWN: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Pixels;

    fn assemble(labels: Vec<u16>, num_official_test: Option<usize>, order: ExampleOrder) -> Result<ImageSet> {
        let num_classes = usize::from(*labels.iter().max().expect("labels")) + 1;
        let place = order.permutation("s", labels.len(), num_official_test)?;
        let labels = match place {
            None => labels,
            Some(order) => order.iter().map(|&i| labels[i as usize]).collect(),
        };
        let pixels = Pixels::U8(vec![0; labels.len()].into());
        let examples = Examples { pixels, labels, height: 1, width: 1, channels: 1 };
        order.assemble("s", examples, num_classes, num_official_test)
    }

    /// `per_class` examples of each class, one class after the other.
    fn sorted(classes: u16, per_class: usize) -> Vec<u16> {
        (0..classes).flat_map(|class| vec![class; per_class]).collect()
    }

    fn refused(labels: Vec<u16>, test: Option<usize>) -> String {
        assemble(labels, test, ExampleOrder::default()).expect_err("sorted").message
    }

    const MIXED: ExampleOrder = ExampleOrder { shuffle_seed: Some(3), allow_unseen_classes: false };
    const TAKEN: ExampleOrder = ExampleOrder { shuffle_seed: None, allow_unseen_classes: true };

    #[test]
    fn files_sorted_by_class_are_refused_and_a_shuffle_mends_them() {
        let hint =
            "`shuffleSeed` mixes a file that is sorted by class, `allowUnseenClasses` takes it as it is";
        assert_eq!(
            refused(sorted(5, 180), None),
            format!(
                "s: expected examples in random order, since splits are cut by it, got class 0 180 times elsewhere and never in train: {hint}"
            )
        );
        for (classes, per_class) in [(2, 30), (2, 5000), (3, 20), (10, 10), (100, 20), (1000, 30)] {
            let labels = sorted(classes, per_class);
            assert!(refused(labels.clone(), None).contains(hint), "{classes} x {per_class}");
            assert!(assemble(labels.clone(), None, MIXED).is_ok());
            assert_eq!(assemble(labels.clone(), None, TAKEN).expect("asked for").labels(), labels);
        }
        // Two halves: train has some of both, the other splits are of the first class alone.
        assert!(refused(sorted(2, 100), None).contains("class 1 100 times in train and never in the other"));
    }

    #[test]
    fn an_official_test_part_stays_where_it_is() {
        let labels = [sorted(4, 50), vec![1; 10], vec![0; 10]].concat();
        assert!(refused(labels.clone(), Some(20)).contains("shuffleSeed"));
        let set = assemble(labels, Some(20), MIXED).expect("mixed");
        assert_eq!(set.labels()[200..], [vec![1; 10], vec![0; 10]].concat());
        assert!(set.labels()[..50].contains(&3));
        let foreign = [(0..100).map(|i| i % 2).collect(), vec![2; 20]].concat();
        for order in [ExampleOrder::default(), MIXED] {
            let message = assemble(foreign.clone(), Some(20), order).expect_err("foreign").message;
            assert!(message.contains("class 2 20 times there and never in train"), "{message}");
        }
        assert!(assemble(foreign, Some(20), TAKEN).is_ok());
    }

    #[test]
    fn rare_classes_are_a_note() {
        let mut labels: Vec<u16> = (0..100).map(|i| i % 3).collect();
        labels[2] = 3;
        labels[7] = 4;
        for order in [ExampleOrder::default(), TAKEN] {
            let set = assemble(labels.clone(), None, order).expect("valid");
            let expected = "s: splits have examples of classes that train lacks: 3, 4.";
            let noted = [expected];
            assert_eq!(set.notes(), if order == TAKEN { &[] } else { &noted[..] });
        }
    }

    /// A set in random order is refused once in ten thousand times for each part; 3,000 draws of any kind refuse none or one.
    #[test]
    fn random_order_is_not_taken_for_sorted() {
        let mut refusals = 0;
        for seed in 0..1000 {
            for (classes, per_class) in [(2, 10), (10, 12), (50, 6)] {
                let labels = sorted(classes, per_class);
                let order = Key::new(seed, Purpose::TaskContent).permutation(labels.len());
                let labels = order.iter().map(|&i| labels[i as usize]).collect();
                refusals += usize::from(assemble(labels, None, ExampleOrder::default()).is_err());
            }
        }
        assert!(refusals <= 2, "{refusals}");
    }
}
