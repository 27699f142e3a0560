/** The head of a table. */

/** A title over texts, over numbers, or for screen readers only. */
type Column = string | { readonly number: string } | { readonly hidden: string };

export function TableHead({ columns }: { readonly columns: readonly Column[] }) {
  return (
    <thead>
      <tr>
        {columns.map((column) => (
          <ColumnHead column={column} />
        ))}
      </tr>
    </thead>
  );
}

function ColumnHead({ column }: { readonly column: Column }) {
  if (typeof column === "string") return <th scope="col">{column}</th>;
  if ("number" in column)
    return (
      <th scope="col" class="number">
        {column.number}
      </th>
    );
  return (
    <th scope="col">
      <span class="hidden">{column.hidden}</span>
    </th>
  );
}
