/**
 * A function that remembers what it gave last, and gives it again to who asks the same. For what is asked for with every
 * request, mostly of the function that the last one was for.
 */
export function keepLast<A, R>(make: (first: A) => R): (first: A) => R
export function keepLast<A, B, R>(make: (first: A, second: B) => R): (first: A, second: B) => R
export function keepLast<A, B, R>(make: (first: A, second: B) => R) {
  let last: { readonly first: A; readonly second: B; readonly made: R } | undefined
  return (first: A, second: B): R => {
    if (last === undefined || last.first !== first || last.second !== second) {
      last = { first, second, made: make(first, second) }
    }
    return last.made
  }
}
