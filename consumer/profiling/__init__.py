"""What is learnt of any table, as small values that add up exactly: sums of parts are the value of the whole.

Everything here is a function of the multiset of rows (or of rows and their lines), never of an order. That is why no
sketch library is used: the usual ones depend on it. A KLL sketch and a frequent-items sketch give another answer for
another cut, and KLL draws lots; a HyperLogLog's estimate there remembers the order in which the values came.

`room` how much is kept, so that memory is bounded for any table · `octets` texts as bytes, and their hashes ·
`words` short texts as integers ·
`registers` HyperLogLog · `smallest` the values with the smallest hashes, counted · `distinct` different values, exactly
while they are few · `grid` numbers on a grid that coarsens · `spans` numbers and dates: extremes, sums, a grid ·
`sample` rows chosen by their line · `families`, `dates` what a cell looks like · `column`, `table` what adds up ·
`traits`, `intervals`, `findings`, `remarks`, `sheet` what is said and drawn of it in the end.
"""
