//! The closure of an absorbing chain: expected visits and conversion probabilities, without subtraction.

/// What the states of an absorbing chain lead to.
#[derive(Debug)]
pub(super) struct Closure {
    states: usize,
    /// One row for each state: expected visits to every state after the first step, then the probability to
    /// convert and not to.
    rows: Vec<f64>,
}

/// Where a state leads in one step: probabilities of other states, of conversion and of null, which sum to 1.
pub(super) type Step = (Vec<(usize, f64)>, f64, f64);

impl Closure {
    /// Closes a chain from whose every state conversion or null can be reached.
    ///
    /// Kleene's elimination: state by state, walks through state k join the direct ones,
    /// `q_ij += q_ik q_kj / (1 - q_kk)`; in the end `Q + Q^2 + ... = (I - Q)^-1 - I` stands in the rows. As in the
    /// algorithm of Grassmann, Taksar and Heyman (Operations Research 33, 1985), `1 - q_kk` is summed from the other
    /// ways out of k, so nothing is ever subtracted and every entry has a small relative error whatever the chain.
    pub(super) fn of(steps: Vec<Step>) -> Self {
        let states = steps.len();
        let width = states + 2;
        let mut rows = vec![0.0; states * width];
        for (row, (to, conversion, null)) in rows.chunks_exact_mut(width).zip(steps) {
            for (place, probability) in to.into_iter().chain([(states, conversion), (states + 1, null)]) {
                if let Some(slot) = row.get_mut(place) {
                    *slot = probability;
                }
            }
        }
        let mut closure = Self { states, rows };
        let mut through = Vec::with_capacity(width);
        for k in 0..states {
            closure.eliminate(k, &mut through);
        }
        closure
    }

    fn eliminate(&mut self, k: usize, through: &mut Vec<f64>) {
        let width = self.states + 2;
        through.clear();
        through.extend_from_slice(self.row(k));
        let leaving: f64 = through.iter().skip(k + 1).sum();
        through.iter_mut().for_each(|probability| *probability /= leaving);
        for (i, row) in self.rows.chunks_exact_mut(width).enumerate() {
            if i == k {
                row.copy_from_slice(through);
                continue;
            }
            let into = row.get(k).copied().unwrap_or_default();
            if into > 0.0 {
                for (direct, via) in row.iter_mut().zip(through.iter()) {
                    *direct += into * via;
                }
            }
        }
    }

    fn row(&self, state: usize) -> &[f64] {
        let width = self.states + 2;
        self.rows.get(state * width..(state + 1) * width).unwrap_or_default()
    }

    /// The probability to convert from a state.
    pub(super) fn conversion(&self, state: usize) -> f64 {
        self.row(state).get(self.states).copied().unwrap_or_default()
    }

    /// Expected visits to a state from another, the visit at the start included.
    fn visits(&self, from: usize, to: usize) -> f64 {
        self.row(from).get(to).copied().unwrap_or_default() + if from == to { 1.0 } else { 0.0 }
    }

    /// How often each state of `set` is the first of the set on a walk, where walks visit each state of the chain
    /// `visits` times: `h` with `h N_SS = v_S`, in the order and unit of `set` and `visits`.
    ///
    /// Gaussian elimination with partial pivoting; of one state it is `v_s / N_ss`.
    pub(super) fn first_entries(&self, set: &[usize], visits: &[f64]) -> Vec<f64> {
        let equation = |to: &usize| {
            let known = visits.get(*to).copied().unwrap_or_default();
            set.iter().map(|from| self.visits(*from, *to)).chain([known]).collect::<Vec<f64>>()
        };
        let mut equations: Vec<Vec<f64>> = set.iter().map(equation).collect();
        for k in 0..set.len() {
            let (_, open) = equations.split_at_mut(k);
            let size = |row: &[f64]| row.get(k).copied().unwrap_or_default().abs();
            let pivot = (0..open.len()).max_by(|a, b| {
                let size_at = |i: &usize| open.get(*i).map_or(0.0, |row| size(row));
                size_at(a).total_cmp(&size_at(b))
            });
            open.swap(0, pivot.unwrap_or_default());
            let Some((pivot, below)) = open.split_first_mut() else { continue };
            for row in below {
                let factor = quotient(row.get(k), pivot.get(k));
                for (value, above) in row.iter_mut().zip(pivot.iter()).skip(k) {
                    *value -= factor * above;
                }
            }
        }
        let mut found = vec![0.0; set.len()];
        for (k, row) in equations.iter().enumerate().rev() {
            let known: f64 = row.iter().zip(&found).skip(k + 1).map(|(factor, value)| factor * value).sum();
            let rest = row.last().copied().unwrap_or_default() - known;
            if let Some(slot) = found.get_mut(k) {
                *slot = quotient(Some(&rest), row.get(k));
            }
        }
        found
    }
}

fn quotient(numerator: Option<&f64>, denominator: Option<&f64>) -> f64 {
    numerator.zip(denominator).map_or(0.0, |(n, d)| n / d)
}
