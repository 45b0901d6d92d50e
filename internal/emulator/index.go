package emulator

import "slices"

// indexKey is a filter and the value that it asks for. A tag has a name besides.
type indexKey struct{ filter, name, value string }

// index finds elements by what they can be filtered by.
type index[T any] struct {
	// compare is the order of every list of the index.
	compare func(a, b T) int
	all     []T
	by      map[indexKey][]T
}

func newIndex[T any](compare func(a, b T) int) index[T] {
	return index[T]{compare: compare, by: map[indexKey][]T{}}
}

// put makes an element found under a key.
func (x *index[T]) put(key indexKey, element T) {
	x.by[key] = insertSorted(x.by[key], element, x.compare)
}

// drop makes an element no longer found under a key.
func (x *index[T]) drop(key indexKey, element T) {
	if x.by[key] = removeSorted(x.by[key], element, x.compare); len(x.by[key]) == 0 {
		delete(x.by, key)
	}
}

// narrow returns the shortest list that has every element which all the keys ask for.
func (x *index[T]) narrow(keys []indexKey) []T {
	shortest := x.all
	for _, key := range keys {
		if list := x.by[key]; len(list) < len(shortest) {
			shortest = list
		}
	}
	return shortest
}

// insertSorted puts an element in its place of a sorted list, unless it is there. What is new belongs at the end, mostly.
func insertSorted[T any](list []T, element T, compare func(a, b T) int) []T {
	n := len(list)
	if n > 0 && compare(list[n-1], element) >= 0 {
		var found bool
		if n, found = slices.BinarySearchFunc(list, element, compare); found {
			return list
		}
	}
	return slices.Insert(list, n, element)
}

// removeSorted takes an element out of a sorted list, if it is there. The first, which is the one that retention
// takes, costs no move of the others.
func removeSorted[T any](list []T, element T, compare func(a, b T) int) []T {
	n, found := slices.BinarySearchFunc(list, element, compare)
	switch {
	case !found:
		return list
	case n == 0:
		clear(list[:1])
		return list[1:]
	}
	return slices.Delete(list, n, n+1)
}

// keysOf are the keys for a command, a resource group, an instance and tags; what is empty has none.
func keysOf(commandID, resourceGroupID, instanceID string, tags []Tag) []indexKey {
	var keys []indexKey
	for _, key := range []indexKey{
		{"CommandId", "", commandID}, {"ResourceGroupId", "", resourceGroupID}, {"InstanceId", "", instanceID},
	} {
		if key.value != "" {
			keys = append(keys, key)
		}
	}
	return append(keys, keysOfTags(tags)...)
}

func keysOfTags(tags []Tag) []indexKey {
	keys := make([]indexKey, len(tags))
	for n, tag := range tags {
		keys[n] = indexKey{"Tag", tag.Key, tag.Value}
	}
	return keys
}

// recordKey is the key for an InvokeRecordStatus.
func recordKey(status string) indexKey { return indexKey{"InvokeRecordStatus", "", status} }

// instanceKey is the key for an instance.
func instanceKey(instanceID string) indexKey { return indexKey{"InstanceId", "", instanceID} }

// rowlessKey is the key for invocations without rows.
var rowlessKey = indexKey{filter: "Rowless"}

// succeededKey is the key for the filter InvokeRecordStatus=Success, which is no status.
var succeededKey = indexKey{filter: "Succeeded"}
