namespace Diode.Tunnel.Edge.Bert;

/// <summary>The kinds of Erlang terms that are understood.</summary>
public enum BertKind
{
    /// <summary>An integer of any size.</summary>
    Number,

    /// <summary>Whole bytes; also used for text.</summary>
    Binary,

    /// <summary>A bit string whose last byte is only partly used.</summary>
    Bits,

    /// <summary>A list.</summary>
    List,

    /// <summary>A list that ends in something else than the empty list; read, never made.</summary>
    ImproperList,

    /// <summary>A tuple.</summary>
    Tuple,

    /// <summary>An atom, among them nil, true and false.</summary>
    Atom,

    /// <summary>A map.</summary>
    Map,

    /// <summary>A floating-point number.</summary>
    Real,
}
